"""Load and warm up a model that a visitor has chosen."""

from rtseg.demos.gradio_app.settings import Settings
from rtseg.engines.base import Engine
from rtseg.engines.load import load_engine
from rtseg.frame import StreamInfo
from rtseg.session.session import Session


class Network:
    """Holds an engine and the session that runs on it. Raises ModelError, MissingExtra."""

    def __init__(self, model: str, settings: Settings, info: StreamInfo) -> None:
        self.engine: Engine = load_engine(model, settings.engine)
        try:
            self.session = Session(self.engine, spacing_mm=info.spacing_mm)
            settings.set_on(self.session)
            self.session.warm_up(info)
        except BaseException:
            self.engine.close()
            raise
