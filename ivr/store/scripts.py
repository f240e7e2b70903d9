"""The scripts that bring a database to this program's version; the n-th one brings it to version n."""

from importlib import resources


def scripts(schema: str) -> list[str]:
    """In order. `schema` is a folder in `migrations`."""
    folder = resources.files("ivr.store") / "migrations" / schema
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [script.read_text("utf-8") for script in found]
