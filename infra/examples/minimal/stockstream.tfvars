# The least: one stock, one address. About 27 USD a month; docs/cost.md has the arithmetic.
region                   = "us-east-1"
symbols                  = ["AAPL"]
alert_email_addresses    = ["you@example.com"]
operator_email_addresses = ["you@example.com"]

# The second apply, once the image is pushed:
# image_tag = "2026-11-22"
