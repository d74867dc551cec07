"""The worker: takes messages from the queue, in production until it is told to stop."""
