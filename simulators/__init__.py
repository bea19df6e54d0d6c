"""Concrete instances and data: GINC in both recipes, random and regular families, documents, prompts, files."""
