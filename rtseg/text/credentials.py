"""Mask credentials in addresses, for every message, log, report and page."""

import re
from pathlib import Path

_HIDDEN = "***"
_MOST_REMEMBERED = 64  # addresses
_STREAM_SCHEMES = r"rtsps?|rtmp[a-z]*|https?|wss?|s?ftps?|igtl|srt|rist|udp|tcp|tls|rtp|mms[ht]?"
_SECRET_NAMES = r"pass(?:word|wd|phrase|code)?|pwd|secret|(?:auth|access|api)?[_-]?(?:token|key)|auth|streamid|sig(?:nature)?"

_ADDRESS = re.compile(rf"(?:\b[a-z][a-z0-9+.-]+:)?//\S+|\b(?:{_STREAM_SCHEMES}):\S+", re.IGNORECASE)
_WHOLE_ADDRESS = re.compile(rf"\s*(?:camera:)?(?:[a-z][a-z0-9+.-]+://|(?:{_STREAM_SCHEMES}):)", re.IGNORECASE)
_BARE = re.compile(r"//[^/@]*:.*@", re.DOTALL)  # an address without its scheme
_BEGIN = re.compile(r"(?:.*?//|\s*(?:camera:)?[a-z][a-z0-9+.-]+:[\\/]*)", re.IGNORECASE | re.DOTALL)
_USER = re.compile(r".+(?:@|%40)", re.DOTALL)  # up to the last one, since a password may contain @
_IN_PATH = re.compile(rf"((?:;[^=/;]+|(?<![a-z])(?:{_SECRET_NAMES}))=)[^&;/]+", re.IGNORECASE)
_TOKEN = re.compile(r"eyJ[\w.-]+|(?=[^/]*\d)(?=[^/]*[a-z])[\w~=+-]{24,}", re.IGNORECASE)
_RTMP = re.compile(r"(\s*rtmp[a-z]*:/*[^/]*/[^/]*/).+", re.IGNORECASE | re.DOTALL)
_PAIR = re.compile(r"[a-z][\w.\[\]-]{0,31}", re.IGNORECASE)
_IN_TEXT = re.compile(
    r"(\b(?:password|passwd|passphrase|pwd|secret|api_?key|access_token|streamid)=)"
    r"(?!\*{3})[^\s&,;'\")]+|(authorization:\s*(?:(?:basic|bearer|digest)\s+)?)(?!\*{3})[^\s'\"]+",
    re.IGNORECASE,
)
_PLAIN_OPTIONS = frozenset(  # options of FFmpeg whose values are no secret
    {"analyzeduration", "fpsprobesize", "probesize", "fflags", "rtsp_transport", "max_delay", "buffer_size", "fifo_size"}
    | {"overrun_nonfatal", "reuse", "format", "live_start_index", "multiple_requests", "protocol_whitelist", "decode"}
)
_remembered: dict[str, str] = {}


def masked_address(uri: str) -> str:
    """Return the address without user, password, tokens and the values of its query; a path is returned as it is."""
    return _mask(uri) if _WHOLE_ADDRESS.match(uri) or _BARE.search(uri) else uri


def shown_target(target: str) -> str:
    """Return the target of an HTTP request, such as /live/x?token=y, without tokens and the values of its query."""
    return _mask(target)


def without_credentials(text: str) -> str:
    """Return the text with each address masked as by `masked_address`, and with the values of password=... masked."""
    for uri, masked in list(_remembered.items()):
        text = text.replace(uri, masked)
    if ":" in text or "=" in text:
        text = _ADDRESS.sub(_masked_in_text, _IN_TEXT.sub(lambda found: f"{found[1] or found[2]}{_HIDDEN}", text))
    return text


def remember_address(uri: str) -> None:
    """Remember an address that is being opened, so that its exact text is masked in all later texts."""
    masked = masked_address(uri)
    if masked != uri:
        while len(_remembered) >= _MOST_REMEMBERED:
            _remembered.pop(next(iter(_remembered)), None)
        _remembered[uri] = masked
        _remembered[str(Path(uri))] = str(Path(masked))  # as a path, `//` becomes `/`


def _masked_in_text(found: re.Match[str]) -> str:
    """Mask an address within a sentence; the punctuation after it belongs to the sentence."""
    word = found[0].rstrip("'\"`,.:;)]>")
    return masked_address(word) + found[0][len(word) :]


def _mask(uri: str) -> str:
    rest, sharp, fragment = uri.partition("#")
    if "@" in fragment or "%40" in fragment:  # a password that contains #
        rest, sharp, fragment = _without_user(uri).partition("#")
    base, mark, query = _without_user(rest).partition("?")
    base = _RTMP.sub(rf"\1{_HIDDEN}", _IN_PATH.sub(rf"\1{_HIDDEN}", base))
    base = "/".join(_HIDDEN if _TOKEN.fullmatch(part) else part for part in base.split("/"))
    query = "&".join(_masked_pair(pair) for pair in query.split("&")) if query else ""
    return base + mark + query + sharp + "&".join(_masked_option(pair, bool(query)) for pair in fragment.split("&"))


def _without_user(uri: str) -> str:
    begin = _BEGIN.match(uri)
    start = begin.end() if begin else 0
    return uri[:start] + _USER.sub(f"{_HIDDEN}@", uri[start:], count=1)


def _masked_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    return f"{name}={_HIDDEN}" if equals and value.strip("=") and _PAIR.fullmatch(name) else _HIDDEN if pair else ""


def _masked_option(pair: str, behind_a_query: bool) -> str:
    """Mask an option of FFmpeg, unless it is plain; after a query it may be the end of a value, so all of it is masked."""
    if pair.partition("=")[0] in _PLAIN_OPTIONS or not pair:
        return pair
    return _HIDDEN if behind_a_query else _masked_pair(pair)
