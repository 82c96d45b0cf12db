"""What the service and the function both say to AWS and read from it: signatures and error codes. Imports nothing."""
