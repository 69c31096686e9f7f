"""What becomes of a mask's components and holes, and how the rules for it are learnt on validation cases."""
