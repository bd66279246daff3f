"""The shape of what goes back, for the OpenAPI that programs are written after."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class JsonShape(BaseModel):
    """Fields that are all there is."""

    model_config = ConfigDict(extra="forbid")


class RefusalShape(JsonShape):
    """Why there is no answer, in words."""

    detail: str


class StagingShape(JsonShape):
    """The stages, mildest first, and the cuts between them."""

    name: str
    classes: list[str]
    cuts: list[str]


class SeenShape(JsonShape):
    """A picture that the model saw: its share of the answer in log-odds, the share of training patients' pictures at
    least as strange, and whether it is not to be believed."""

    modality: str
    share: float
    strange: float | None
    far: bool


class PatientShape(JsonShape):
    """What is said of a patient; `given_id` with ids=true alone."""

    patient_id: str
    given_id: str | None = None
    stage: str
    answer: str = Field(description="The stages that cannot be excluded, or 'cannot say'.")
    probabilities: dict[str, float]
    at_or_above: dict[str, float]
    possible: list[str]
    rules: dict[str, str] = Field(description="By cut: 'in', 'out' or 'cannot say'.")
    reasons: list[str] = Field(description="Why not to trust it.")
    shares: dict[str, float]
    pictures: dict[str, int]
    seen: list[SeenShape]
    far_outside: dict[str, int]
    trained_on: bool | None


class LeftOutShape(JsonShape):
    """A patient who was not staged, and why."""

    patient_id: str
    reason: str


class RefusedShape(JsonShape):
    """A file that was not taken, or a value of it, and why."""

    file: str
    reason: str


class AnswerShape(JsonShape):
    """What is said of the exams that came, as 'fibrostage predict --json' says it."""

    staging: StagingShape
    model: str = Field(description="SHA-256 of the model's files.")
    simulated: bool
    notice: str
    patients: list[PatientShape]
    left_out: list[LeftOutShape]
    refused: list[RefusedShape]
    caveats: list[str]
    pages: dict[str, str] | None = Field(None, description="With pages=true, by patient a page as HTML.")
    reports: dict[str, str] | None = Field(None, description="With reports=true, by patient DICOM in base64.")
    failed: dict[str, str] | None = Field(None, description="By patient why a page or a report could not be made.")


class HealthShape(JsonShape):
    """Exams are answered."""

    status: str


class VersionShape(JsonShape):
    """Who answers; `simulated` says whether the model was trained on simulated patients, null where it is not known."""

    version: str
    model: str
    digest: str
    staging: StagingShape
    modalities: list[str]
    simulated: bool | None
    notice: str
