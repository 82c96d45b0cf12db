"""Ways to run the function: a pool of subprocesses confined to the deployment zip, or Lambda's own API."""
