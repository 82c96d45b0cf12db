"""What each sender makes of faults: what is lost, doubled or out of order, how long its caller waits, what it costs.

`python -m benchmarks.sender_faults --json FILE [--quick] [--chart FILE.svg]`. Against the null Kinesis (entries stored
in random order, as Kinesis may), and against moto for the reshard. One module for each kind of fault: `outage`,
`storms`, `stops` (kill -9 and SIGTERM), `reshard`, `reshard_moto`. Every sender, ours or a peer, gets the same fault
and is counted the same way. `--quick` shortens all of it, and takes from the peers what fits into a minute; what it
left out it names.
"""
