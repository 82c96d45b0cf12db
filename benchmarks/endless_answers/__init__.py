"""Peak memory of every reader of ours under an answer that does not end, or that unpacks to gigabytes."""
