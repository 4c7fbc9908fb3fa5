"""What a person sees: the page, its panels and charts. Only these files import NiceGUI."""
