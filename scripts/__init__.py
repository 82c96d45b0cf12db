"""Small programs of the repository: generated pages, the deployment zip, checks."""
