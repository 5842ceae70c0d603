"""The page at `/`: what is here, for whoever opens the address in a browser."""

from html import escape

from probe import __version__
from probe.agent.exporter.modules import MODULES

_LINKS = (
    ("/metrics", "what this probe sees, and its own health, for Prometheus"),
    ("/status", "the same at a glance, as JSON"),
    ("/sd/targets", "the catalogue's endpoints, as Prometheus's HTTP service discovery"),
    ("/healthz", "whether it runs"),
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Probe</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 44rem; padding: 0 1rem }}</style>
</head><body>
<h1>Probe {version}</h1>
<ul>
{links}
</ul>
<p>One endpoint, measured now: <code>/probe?target=URL&amp;module=NAME</code>, as with blackbox_exporter;
<code>&amp;debug=true</code> shows the evidence. Only endpoints of the catalogue, and <code>metrics.allow_targets</code>
of the configuration. Modules:</p>
<dl>
{modules}
</dl>
</body></html>
"""


def index_page() -> bytes:
    links = [f'<li><a href="{path}">{path}</a>: {escape(about)}</li>' for path, about in _LINKS]
    modules = [f"<dt><code>{module.name}</code></dt><dd>{escape(module.about)}</dd>" for module in MODULES.values()]
    return _PAGE.format(version=escape(__version__), links="\n".join(links), modules="\n".join(modules)).encode()
