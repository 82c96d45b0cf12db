"""`make aws-smoke`: from credentials to a verdict on what no emulator can say; docs/aws-smoke.md."""
