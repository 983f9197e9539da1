"""Pipelines that others start: published under an id, behind endpoints with versions; and drafts of such."""
