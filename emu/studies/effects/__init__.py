"""What a study is to show: figures made of its points, with the ranges that are expected of them."""
