"""The U-Net family, and networks of MONAI behind the same contract."""

from segkit.networks.monai_networks import AttentionUnet, DynUNet, MedNeXt, SegResNet
from segkit.networks.monai_transformers import UNETR, SwinUNETR
from segkit.networks.unet import UNet

__all__ = ["UNETR", "AttentionUnet", "DynUNet", "MedNeXt", "SegResNet", "SwinUNETR", "UNet"]
