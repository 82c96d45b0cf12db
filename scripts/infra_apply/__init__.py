"""`make infra-apply`: `infra/` applied to emulators, the pipeline run on what that made, and all of it destroyed."""
