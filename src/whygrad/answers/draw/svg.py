"""Any picture of an answer as an SVG that stands alone, or within a page."""

from whygrad.answers.draw.bars import draw_bars
from whygrad.answers.draw.curves import draw_curves
from whygrad.answers.draw.drawing import Drawing, captioned, to_svg
from whygrad.answers.draw.images import draw_images
from whygrad.answers.draw.network_picture import draw_network
from whygrad.answers.formatting import typeset_within
from whygrad.answers.parts import Answer
from whygrad.answers.pictures import BarPicture, CurvePicture, ImagePicture, NetworkPicture, Picture


def draw(picture: Picture) -> Drawing:
    """Draw a picture."""
    match picture:
        case NetworkPicture():
            return draw_network(picture)
        case CurvePicture():
            return draw_curves(picture)
        case BarPicture():
            return draw_bars(picture)
        case ImagePicture():
            return draw_images(picture)


def told_svg(picture: Picture, about: Answer) -> str:
    """Write a picture below the question and the answer that it belongs to, as it is sent to others."""
    return to_svg(captioned(draw(picture), about.question, typeset_within(about.answer)))


def picture_svg(picture: Picture, alone: bool = True) -> str:
    """Write a picture as an SVG; within a page (not `alone`) the page has the style sheet."""
    return to_svg(draw(picture), alone)
