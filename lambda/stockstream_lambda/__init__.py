"""The consumer: a Lambda function that stores, analyses, archives and alerts on quotes from Kinesis."""
