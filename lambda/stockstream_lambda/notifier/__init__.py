"""The notifier: a small function of its own that turns alerts from SNS into webhook calls. Off unless it has a URL."""
