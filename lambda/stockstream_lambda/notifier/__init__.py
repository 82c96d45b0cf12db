"""The notifier: a small function of its own that hands alerts from SNS to phones, chats and webhooks. Off at first."""
