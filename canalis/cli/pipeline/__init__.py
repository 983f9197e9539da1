"""`canalis pipeline` and `canalis ml`: what `az ml` had for pipelines, and what it lacked."""
