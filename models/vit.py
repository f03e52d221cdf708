"""Vision transformers (Dosovitskiy et al., 2021; the tiny and small sizes of Touvron et al., 2021)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from models.checks import check_dropout, check_images, check_integers, looking, scaled_to_one


class _Attention(nn.Module):
    """Self-attention of all tokens, in several heads."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        queries, keys, values = self._split(tokens)
        mixed = scaled_dot_product_attention(queries, keys, values)  # (B, heads, tokens, width / heads)
        attended: Tensor = self.dropout(self.project(mixed.transpose(1, 2).flatten(2)))
        return attended

    def of_class_token(self, tokens: Tensor) -> Tensor:
        """Attention that the first token pays to every other, mean over heads: (B, tokens - 1)."""
        queries, keys, _ = self._split(tokens)
        scores = queries[:, :, :1] @ keys.transpose(-2, -1) * queries.shape[-1] ** -0.5
        paid: Tensor = scores.softmax(-1)[:, :, 0, 1:].mean(1)
        return paid

    def _split(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (B, heads, tokens, width / heads)."""
        queries, keys, values = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return queries, keys, values


class _Block(nn.Module):
    """Attention and a perceptron, each normalised before and added to its input."""

    def __init__(self, width: int, heads: int, perceptron: int, dropout: float) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width, eps=1e-6)
        self.attention = _Attention(width, heads, dropout)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, perceptron),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(perceptron, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.before_attention(tokens))
        mixed: Tensor = tokens + self.perceptron(tokens)
        return mixed


class VisionTransformer(nn.Module):
    """Transformer over the patches of an image, with a class token and learned positions.

    Its layers are plain ``Linear`` ones, so that queries, keys, values and everything else can be gated. With
    224 x 224 colour images, patches of 16 and 1,000 classes the tiny size has 5,717,416 parameters and the
    small one 22,050,664, as published; :func:`vit_tiny` and :func:`vit_small` build them.

    As in its authors' own code, pixels are moved to [-1, 1] first, and the blocks' weights start uniform as
    Glorot and Bengio have it, which suits every width. Positions start from sines and cosines of row and
    column, of amplitude one half, and are learned from there; Beyer et al. (2022) keep theirs. A transformer
    has no notion of neighbourhood and needs more images, or more augmentation, than a convolutional network
    for the same accuracy.

    Parameters
    ----------
    classes : int
        Emotions to tell apart.
    image_size : int
        Side of the square input in pixels, a multiple of ``patch_size``.
    width : int
        Values of a token, a multiple of ``heads``.
    channels : int
        Channels of the input, 1 for grey.
    patch_size : int
        Side of a patch in pixels.
    depth : int
        Blocks.
    heads : int
        Heads of the attention.
    dropout : float
        Probability of dropping a value of the embedded tokens and of a block's results.
    expansion : int
        Units of a block's hidden layer, in multiples of ``width``.

    Raises
    ------
    ValueError
        If an option is out of range or a size does not divide.

    Examples
    --------
    >>> import torch
    >>> network = VisionTransformer(classes=7, image_size=48, width=32, patch_size=8, depth=2, heads=2)
    >>> network(torch.zeros(2, 1, 48, 48)).shape
    torch.Size([2, 7])
    >>> network.attention_map(torch.rand(2, 1, 48, 48)).shape
    torch.Size([2, 6, 6])
    """

    def __init__(
        self,
        classes: int = 7,
        image_size: int = 48,
        width: int = 192,
        channels: int = 1,
        patch_size: int = 8,
        depth: int = 12,
        heads: int = 3,
        dropout: float = 0.0,
        expansion: int = 4,
    ) -> None:
        super().__init__()
        check_integers(
            ("classes", classes, 2),
            ("image_size", image_size, 1),
            ("width", width, 1),
            ("channels", channels, 1),
            ("patch_size", patch_size, 1),
            ("depth", depth, 1),
            ("heads", heads, 1),
            ("expansion", expansion, 1),
        )
        check_dropout(dropout)
        if image_size % patch_size:
            raise ValueError(
                f"image_size must be a multiple of patch_size, got {image_size} and {patch_size}; "
                f"a patch_size of {_nearest_divisor(image_size, patch_size)} divides it"
            )
        if width % heads:
            raise ValueError(
                f"width must be a multiple of heads, got {width} and {heads}; "
                f"{_nearest_divisor(width, heads)} heads divide it"
            )
        self.image_size = image_size
        self.channels = channels
        self.grid = image_size // patch_size
        self.patches = nn.Conv2d(channels, width, kernel_size=patch_size, stride=patch_size)
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, self.grid**2 + 1, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(width, heads, expansion * width, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.classifier = nn.Linear(width, classes)
        with torch.no_grad():
            self.positions.copy_(_waves(self.grid, width))
        for weight in (self.class_token, self.classifier.weight):
            nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, channels, image_size, image_size) in [0, 1] to logits (B, classes)."""
        tokens = self._embedded(images)
        for block in self.blocks:
            tokens = block(tokens)
        logits: Tensor = self.classifier(self.norm(tokens[:, 0]))
        return logits

    def attention_map(self, images: Tensor) -> Tensor:
        """Attention that the class token pays to every patch in the last block, mean over the heads.

        It shows what the last block reads, not what earlier blocks mixed into those tokens. Computed in
        evaluation mode and without gradients; the network is left as it was.

        Parameters
        ----------
        images : Tensor
            As for :meth:`forward`.

        Returns
        -------
        Tensor
            (B, image_size / patch_size, image_size / patch_size), each map divided by its maximum.
        """
        with looking(self):
            tokens = self._embedded(images)
            for block in self.blocks[:-1]:
                tokens = block(tokens)
            last = self.blocks[-1]
            assert isinstance(last, _Block)
            weights = last.attention.of_class_token(last.before_attention(tokens))
            return scaled_to_one(weights.view(-1, self.grid, self.grid))

    def _embedded(self, images: Tensor) -> Tensor:
        """Class token and patches with their positions: (B, tokens, width)."""
        check_images(images, "VisionTransformer", self.channels, self.image_size, self.image_size)
        patches = self.patches(2 * images - 1).flatten(2).transpose(1, 2)
        first = self.class_token.expand(patches.shape[0], -1, -1)
        tokens: Tensor = self.dropout(torch.cat([first, patches], dim=1) + self.positions)
        return tokens


def _waves(grid: int, width: int) -> Tensor:
    """Sines and cosines of columns and rows after a zero: (1, 1 + grid squared, width)."""
    count = -(-width // 4)
    frequencies = 10_000.0 ** -(torch.arange(count) / count)
    rows, columns = torch.cartesian_prod(torch.arange(grid), torch.arange(grid)).T
    phases = [(place[:, None] * frequencies) for place in (columns, rows)]
    waves = torch.cat([wave(phase) for phase in phases for wave in (torch.sin, torch.cos)], dim=1)
    return 0.5 * torch.cat([torch.zeros(1, width), waves[:, :width]])[None]


def _nearest_divisor(number: int, near: int) -> int:
    divisors = [divisor for divisor in range(1, number + 1) if number % divisor == 0]
    return min(divisors, key=lambda divisor: abs(divisor - near))


def vit_tiny(
    classes: int = 7, image_size: int = 48, channels: int = 1, patch_size: int = 8, dropout: float = 0.0
) -> VisionTransformer:
    """Build a :class:`VisionTransformer` of width 192 with 12 blocks of 3 heads.

    Examples
    --------
    >>> network = vit_tiny(classes=1000, image_size=224, channels=3, patch_size=16)
    >>> sum(parameter.numel() for parameter in network.parameters())
    5717416
    """
    return VisionTransformer(classes, image_size, 192, channels, patch_size, 12, 3, dropout)


def vit_small(
    classes: int = 7, image_size: int = 48, channels: int = 1, patch_size: int = 8, dropout: float = 0.0
) -> VisionTransformer:
    """Build a :class:`VisionTransformer` of width 384 with 12 blocks of 6 heads.

    Examples
    --------
    >>> with torch.device("meta"):
    ...     network = vit_small(classes=1000, image_size=224, channels=3, patch_size=16)
    >>> sum(parameter.numel() for parameter in network.parameters())
    22050664
    """
    return VisionTransformer(classes, image_size, 384, channels, patch_size, 12, 6, dropout)
