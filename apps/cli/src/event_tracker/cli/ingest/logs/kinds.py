"""The kind of a request: a page view, a download, an error, and what else there is. It becomes the event's type."""

import re
from collections.abc import Sequence
from http import HTTPStatus

from event_tracker.cli.ingest.logs.request import Request

PAGE_VIEW, DOWNLOAD, HTTP_ERROR, CRAWL = "page_view", "download", "http_error", "crawl"
ASSET, REDIRECT, MALFORMED = "asset", "redirect", "malformed"
NO_REQUEST = "no_request"
"""Instead of a kind, of a line that is of no request, such as what a server logs of itself."""

KINDS = {
    PAGE_VIEW: "GET of a page. If the log has the content type, `text/html` is a page. Otherwise the path's ending decides: none, `.php`, "
    "or one that isn't known. The path decides for status 304, too",
    DOWNLOAD: "GET of a document, an archive or a program, decided in the same way",
    HTTP_ERROR: "status 400 and above, and 000: the client left before the answer",
    CRAWL: "every request of a bot. Bots are in the list [crawler-user-agents](https://github.com/monperrus/crawler-user-agents) (MIT), "
    "or ua-parser calls them a spider, or their user agent has `bot` or an address for questions",
    ASSET: "images, styles, scripts, fonts, data; parts of files (206); paths that begin with `--api-path` (repeatable), such as `/api/`",
    REDIRECT: "status 3xx, but for 304",
    MALFORMED: "no HTTP, such as TLS on a port without it",
}
"""The kinds, beside those of OTHER_METHODS, with what they are, for the documentation."""

OTHER_METHODS = ("http_head", "http_post"), "other methods than GET"
"""Kinds that are named by the method: examples, and what they are."""

STORED = frozenset({PAGE_VIEW, DOWNLOAD, HTTP_ERROR, CRAWL})
"""The kinds that are stored unless more are asked for."""

_DOWNLOADS = """
7z apk bz2 deb dmg doc docx epub exe gz iso jar msi odp ods odt pdf pkg ppt pptx rar rpm rtf tar tgz xls xlsx xz zip zst
"""
_ASSETS = """
aac atom avi avif bmp cjs css csv cur eot flac gif ico jpeg jpg js json jsonld m3u8 m4a m4s map mjs mov mp3 mp4 mpd mpeg oga ogg ogv
otf png rss svg swf tif tiff ts ttf txt vtt wasm wav webm webmanifest webp woff woff2 xml xsl yaml yml
"""
KIND_BY_ENDING = dict.fromkeys(_DOWNLOADS.split(), DOWNLOAD) | dict.fromkeys(_ASSETS.split(), ASSET)
"""By a path's ending in lower case. All others are pages: /about, /index.php, and /release-2.0."""

PAGE_TYPES = ("text/html", "application/xhtml")
DOWNLOAD_TYPES = (
    "application/pdf",
    "application/zip",
    "application/gzip",
    "application/x-gzip",
    "application/x-tar",
    "application/x-7z-compressed",
    "application/msword",
    "application/vnd.openxmlformats",
    "application/vnd.oasis.opendocument",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.android.package-archive",
    "application/epub",
    "application/java-archive",
    "application/x-apple-diskimage",
)

UNNAMED_TYPE = "application/octet-stream"

_is_method = re.compile(r"[A-Za-z-]{1,30}").fullmatch
_ending = re.compile(r"\.(\w{1,12})\Z").search


def kind_of(request: Request, *, is_bot: bool, api_paths: Sequence[str] = ()) -> str:
    """The kind of a request.

    Args:
        is_bot: whether a bot sent it.
        api_paths: beginnings of paths that are never pages.
    """
    method = request.method
    if request.malformed is not None or method is None or not _is_method(method):
        return MALFORMED
    if is_bot:
        return CRAWL
    status = HTTPStatus.OK if request.status is None else request.status
    if status >= HTTPStatus.BAD_REQUEST or status == 0:
        return HTTP_ERROR
    if method != "GET":
        return f"http_{method.lower()}"
    if status >= HTTPStatus.MULTIPLE_CHOICES and status != HTTPStatus.NOT_MODIFIED:
        return REDIRECT
    path = request.path or "/"
    if status == HTTPStatus.PARTIAL_CONTENT or path.startswith(tuple(api_paths)):
        return ASSET
    return _kind_of_content(request.content_type, path)


def _kind_of_content(content_type: str | None, path: str) -> str:
    """What was sent: by its type, or without one by the path's ending."""
    found = _ending(path)
    by_ending = KIND_BY_ENDING.get(found[1].lower(), PAGE_VIEW) if found else PAGE_VIEW
    if not content_type:
        return by_ending
    content_type = content_type.lower()
    if content_type.startswith(PAGE_TYPES):
        return PAGE_VIEW
    if content_type.startswith(DOWNLOAD_TYPES) or (content_type.startswith(UNNAMED_TYPE) and by_ending == DOWNLOAD):
        return DOWNLOAD
    return ASSET
