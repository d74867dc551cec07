"""`waveflow resend`: sends webhooks once more that the main server lost."""
