"""Load and warm up a model that a visitor has chosen."""

from rtseg.demos.gradio_app.settings import DemoSettings
from rtseg.engines.base import Engine
from rtseg.engines.load import load_engine
from rtseg.frame import StreamInfo
from rtseg.session.session import Session


class LoadedModel:
    """Holds an engine and the session that runs on it. Raises ModelError, MissingExtra."""

    def __init__(self, model: str, settings: DemoSettings, info: StreamInfo) -> None:
        self.engine: Engine = load_engine(model, settings.engine)
        try:
            self.session = Session(self.engine, spacing_mm=info.spacing_mm)
            settings.apply_to(self.session)
            self.session.warm_up(info)
        except BaseException:
            self.engine.close()
            raise
