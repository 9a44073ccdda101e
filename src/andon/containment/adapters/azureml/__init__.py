"""The traffic of an online endpoint of Azure Machine Learning."""
