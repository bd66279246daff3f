# A model that answers over HTTP and as a DICOM node. Build it in this folder; compose.yaml runs it beside an archive.
FROM python:3.11-slim-bookworm

# Pango sets pages as PDF
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
 && rm -rf /var/lib/apt/lists/*

# PyTorch without CUDA, in the version that this release is tested with
RUN pip install --no-cache-dir torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu

WORKDIR /opt/fibrostage
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir ".[dicom,video,pages,serve,pacs,annotate,postgres]"

RUN useradd --create-home --uid 1000 clinic && install -d -o clinic -g clinic -m 0700 /spool /keys
USER clinic
ENV FIBROSTAGE_CACHE=/home/clinic/.cache/fibrostage FIBROSTAGE_KEY=/keys/fibrostage.key
VOLUME ["/spool", "/keys"]
EXPOSE 8480 11112

ENTRYPOINT ["fibrostage"]
CMD ["serve", "/model", "--host", "0.0.0.0", "--port", "8480", "--behind-proxy"]
