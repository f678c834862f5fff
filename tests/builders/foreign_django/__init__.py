"""SCIM services that others wrote, for Django: whatever is odd about them is not of our making.

`python -m builders.foreign_django django-scim2 FOLDER` serves that package's users on a free port of loopback, keeps
them in the folder, and prints its URL.
"""
