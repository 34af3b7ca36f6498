"""Pages and documents made from the templates of this package."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates(*, autoescape: bool) -> Environment:
    """Return where templates are found; a name that a template was not given is an error."""
    return Environment(
        loader=PackageLoader("orchestration"),
        autoescape=autoescape,  # noqa: S701  # Markdown is escaped by who writes it.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
