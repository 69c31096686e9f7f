"""How far two surfaces lie apart: surface elements, nearest neighbours, and the figures made of them."""
