"""The options of the pipeline step `transform`: how requests and answers are changed on their way."""

from chassis.config.transform.options import TransformOptions

__all__ = ["TransformOptions"]
