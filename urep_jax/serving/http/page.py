"""The page that a browser is shown: how the chain and the workers are, and one user."""

from importlib import resources

_FILES = resources.files("urep_jax.serving.http") / "files"

FILES = {
    "/": ("text/html; charset=utf-8", (_FILES / "page.html").read_bytes(), "The page for people"),
    "/page.css": ("text/css; charset=utf-8", (_FILES / "page.css").read_bytes(), "How the page looks"),
    "/page.js": ("text/javascript; charset=utf-8", (_FILES / "page.js").read_bytes(), "What the page does"),
}
"""Its files by path: type, content, and what they are."""

POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    )
)
"""What the page may do: only with what comes from here. It holds no script or style in itself."""
