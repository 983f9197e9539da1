"""The end of a run is told to those who want to hear of it: by messages, by webhooks, by Azure DevOps."""
