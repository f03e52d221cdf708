"""Names of the operations that are followed, by how they pass on what their arguments carry."""

# Element by element, where torch's own tag does not say so.
POINTWISE = {
    "_to_copy", "alias", "clone", "copy", "detach", "hardswish", "lift_fresh", "log_sigmoid_forward",
    "native_dropout", "_prelu_kernel", "rsub",
}  # fmt: skip
# Elements move and none is changed: the operation itself moves the labels.
MOVING = {
    "_reshape_alias", "_unsafe_view", "cat", "channel_shuffle", "constant_pad_nd", "diagonal", "expand",
    "flip", "gather", "im2col", "index", "index_put", "index_select", "masked_select", "permute",
    "pixel_shuffle", "pixel_unshuffle", "reflection_pad1d", "reflection_pad2d", "repeat", "replication_pad1d",
    "replication_pad2d", "roll", "select", "select_scatter", "slice", "slice_scatter", "split",
    "split_with_sizes", "squeeze", "stack", "t", "transpose", "tril", "triu", "unbind", "unfold", "unsqueeze",
    "view",
}  # fmt: skip
RESHAPING = {"_reshape_alias", "_unsafe_view", "view"}  # of MOVING; labels may lie otherwise in memory
REDUCING = {
    "amax", "amin", "linalg_vector_norm", "logsumexp", "max", "mean", "median", "min", "norm", "prod", "std",
    "std_mean", "sum", "var", "var_mean",
}  # fmt: skip
# Windows over the last dimensions, by their number: read as if every place saw the whole map.
POOLING = {
    "_adaptive_avg_pool2d": 2, "_adaptive_avg_pool3d": 3, "adaptive_avg_pool1d": 1, "adaptive_max_pool2d": 2,
    "adaptive_max_pool3d": 3, "avg_pool1d": 1, "avg_pool2d": 2, "avg_pool3d": 3, "max_pool2d_with_indices": 2,
    "max_pool3d_with_indices": 3, "upsample_bicubic2d": 2, "upsample_bilinear2d": 2, "upsample_linear1d": 1,
    "upsample_nearest1d": 1, "upsample_nearest2d": 2,
}  # fmt: skip
BATCH_NORM = {
    "_batch_norm_no_update", "_batch_norm_with_update", "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "miopen_batch_norm", "native_batch_norm",
}  # fmt: skip
ATTENTION = {
    "_scaled_dot_product_cudnn_attention", "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_fused_attention_overrideable",
}  # fmt: skip
# The result takes shape and type from an argument, not its values.
FORGETTING = {
    "bernoulli", "empty_like", "fill", "full_like", "new_empty", "new_full", "new_ones", "new_zeros",
    "ones_like", "rand_like", "randn_like", "zero", "zeros_like",
}  # fmt: skip
