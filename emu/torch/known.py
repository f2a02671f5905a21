"""Functions of PyTorch that are not emulated, by what they do."""

from __future__ import annotations

_HIDDEN_MACS = """
_native_multi_head_attention _scaled_mm _transformer_encoder_layer_fwd addbmm addmm addmv addr baddbmm bilinear bmm
cdist chain_matmul conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d corrcoef cov dot
einsum ger grid_sample gru gru_cell inner istft kron linalg_cholesky linalg_inv linalg_matrix_exp linalg_multi_dot
linalg_pinv linalg_qr linalg_solve linalg_svd linalg_vecdot linear lstm lstm_cell matmul matrix_exp matrix_power mm
multi_dot mv outer pairwise_distance rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell stft tensordot vdot
"""
HIDDEN_MACS = frozenset(_HIDDEN_MACS.split())
"""They multiply and accumulate inside."""

_NO_ROUNDING = """
__contains__ __deepcopy__ __delete__ __get__ __getitem__ __hash__ __iter__ __len__ __reduce_ex__ __repr__ __set__
__setitem__ _is_view _set_grad_enabled abs adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d alias amax
amin aminmax apply_ arange argmax argmin argsort as_strided as_tensor atleast_1d atleast_2d atleast_3d bernoulli
bfloat16 block_diag broadcast_tensors broadcast_to bucketize cat ceil channel_shuffle chunk clamp clamp_max
clamp_min clip clone column_stack complex concat concatenate contiguous copy cpu cummax cummin detach diag
diag_embed diagonal dropout dsplit dstack embedding empty empty_like empty_strided expand expand_as eye fill fix
flatten flip fliplr flipud float floor frac frexp from_numpy full full_like gather half hardtanh heaviside hsplit
hstack identity im2col index_copy index_fill index_put index_select is_contiguous item kthvalue linspace logical_not
logspace masked_fill masked_scatter masked_select max max_pool1d max_pool2d max_pool3d max_unpool1d max_unpool2d
max_unpool3d maximum median meshgrid min minimum mode moveaxis movedim msort multinomial nan_to_num narrow neg
negative new_empty new_full new_ones new_tensor new_zeros nonzero normal numpy one_hot ones ones_like pad permute
pin_memory pixel_shuffle pixel_unshuffle positive put rand rand_like randint randint_like randn randn_like randperm
ravel register_hook relu relu6 repeat repeat_interleave requires_grad_ reshape reshape_as resolve_conj resolve_neg
retain_grad roll rot90 round scalar_tensor scatter searchsorted select select_scatter sgn share_memory_ sign size
slice_scatter sort split split_with_sizes squeeze stack stride swapaxes swapdims t take take_along_dim tensor
tensor_split threshold tile to tolist topk transpose tril triu trunc type type_as unbind unflatten unfold uniform
unique unsafe_chunk unsafe_split unsqueeze view view_as vsplit vstack where zero zeros zeros_like
"""
NO_ROUNDING = frozenset(_NO_ROUNDING.split())
"""They move, select, compare, count, make or draw: every value is one that they were given, an integer part, or a
draw. A dropout's scaling in training is PyTorch's own."""
