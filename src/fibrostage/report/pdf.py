"""A page of HTML as a PDF of A4, by WeasyPrint (extra `pages`); nothing is fetched for it."""

from __future__ import annotations

from fibrostage.ground.errors import PlanError


def pdf_of(html: str) -> bytes:
    """A page as PDF of A4, tagged for readers of screens; only what stands in the page itself is opened.

    Raises `PlanError` where WeasyPrint or the libraries that it draws with are missing.
    """
    check_pdf()
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher

    fetcher = URLFetcher(allowed_protocols=("data",), allow_redirects=False)
    made = HTML(string=html, url_fetcher=fetcher).write_pdf(pdf_variant="pdf/ua-1")
    return bytes(made)


def check_pdf() -> None:
    """Raises `PlanError` where WeasyPrint or the libraries that it draws with are missing."""
    try:
        import weasyprint.urls  # noqa: F401
    except ImportError:
        raise PlanError("a page as PDF needs WeasyPrint: install fibrostage with its extra [pages]") from None
    except OSError:
        raise PlanError(
            "a page as PDF needs Pango, which WeasyPrint draws with: install it (Debian: apt-get install "
            "libpango-1.0-0 libpangoft2-1.0-0), or write the page as HTML only"
        ) from None
