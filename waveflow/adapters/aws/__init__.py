"""What the adapters for S3 and SQS share: clients, and the meaning of botocore's errors."""
