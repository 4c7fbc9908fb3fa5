"""Any picture of an answer as an SVG that stands alone, or within a page."""

from whygrad.pictures import BarPicture, CurvePicture, ImagePicture, NetworkPicture, Picture
from whygrad.show.bar_picture import draw_bars
from whygrad.show.curve_picture import draw_curves
from whygrad.show.drawing import Drawing, to_svg
from whygrad.show.image_picture import draw_images
from whygrad.show.network_picture import draw_network


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


def picture_svg(picture: Picture, alone: bool = True) -> str:
    """Write a picture as an SVG; within a page (not `alone`) the page has the style sheet."""
    return to_svg(draw(picture), alone)
