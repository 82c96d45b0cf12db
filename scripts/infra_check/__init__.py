"""`make infra-check`: what can be checked of `infra/` on this machine, and what cannot."""
