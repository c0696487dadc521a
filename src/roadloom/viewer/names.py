"""What a source is called in pictures and files that travel."""


def short_source(source: str) -> str:
    """``KIND:`` and the last part of the place: whose folder it lay in is nobody's business."""
    kind, colon, place = source.partition(":")
    parts = [part for part in place.replace("\\", "/").split("/") if part]
    return f"{kind}{colon}{parts[-1] if parts else place}"
