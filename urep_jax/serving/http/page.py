"""The page that a browser is shown."""

HTML = "text/html; charset=utf-8"

PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>User representations, near real time</title>
<h1>User representations, near real time</h1>
<p>This service answers programs. <a href="/openapi.json">/openapi.json</a> tells what can be asked,
<a href="/v1/status">/v1/status</a> how it goes.</p>
</html>
"""

POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"),
        *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    )
)
"""What the page may do: only with what comes from here. It holds no script or style in itself."""
