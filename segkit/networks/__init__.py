"""The U-Net family."""

from segkit.networks.unet import UNet

__all__ = ["UNet"]
