"""What pyproject.toml cannot say: the configs live at the top of the repository and travel in the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["bmcli", "bmcli.*"]), "bmcli.configs"],
    package_dir={"bmcli.configs": "configs"},
    package_data={"bmcli.configs": ["*.yaml", "**/*.yaml"], "bmcli": ["py.typed", "**/*.j2", "**/*.css"]},
)
