# SPDX-License-Identifier: Apache-2.0
"""What people brought, a row a case: the kind (with its number in the list of cases), the command, and what has to come of
it. Files: files.py; {work} holds them, {out} is a row's own output, {grey} and {colour} are trained models.
"""
import fractions
import glob
import json
import math
import os
import struct
import time
import zipfile

import files

NET = ["--encoder", "conv2d:8,k=3,s=2,p=1 relu conv2d:16,k=3,s=2,p=1 relu global_pool flatten", "--head", "linear:16", "--batch", "64"]
QUICK = [*NET, "--epochs", "1", "--quiet"]


class Row:
    def __init__(self, kind, text, command, status=0, says=(), unsaid=(), holds=(), absent=(), before=(), prepare=None, environment=None):
        self.kind, self.text, self.command, self.status = kind, text, command, status
        self.says, self.unsaid, self.holds, self.absent, self.before = says, unsaid, holds, absent, before
        self.prepare, self.environment, self.number = prepare, environment or {}, 0


# ---- what has to hold of an answer: None, or a sentence ------------------------------------------------
def same(first, second, within=0.0):
    """Arrays of two .npy files."""
    def holds(places, _):
        a, b = (files.read_npy(path.format(**places)) for path in (first, second))
        far = max((abs(x - y) for x, y in zip(a[1], b[1])), default=0.0)
        return None if a[0] == b[0] and far <= within else f"{first} and {second}: {a[0]} and {b[0]}, up to {far} apart"
    return holds


def first_rows(few, many):
    def holds(places, _):
        a, b = (files.read_npy(path.format(**places))[1] for path in (few, many))
        return None if a == b[:len(a)] else f"{few} are not the first rows of {many}"
    return holds


def shape(path, *wanted):
    return lambda places, _: None if files.read_npy(path.format(**places))[0] == wanted else f"{path} is {files.read_npy(path.format(**places))[0]}"


def number(key, low, high):
    """A number of the answer's JSON."""
    def holds(_, out):
        value = json.loads(out)
        for part in key.split("."):
            value = value[int(part)] if part.isdigit() else value[part]
        return None if low <= value <= high else f"{key} is {value}, not from {low} to {high}"
    return holds


def weights(first, second, equal=True):
    """Tensors of two models."""
    def holds(places, _):
        a, b = (files.read_safetensors(path.format(**places))[0] for path in (first, second))
        return None if (a == b) == equal else f"the tensors of {first} and {second} are {'not ' if equal else ''}equal"
    return holds


def metadata(path, key, wanted):
    def holds(places, _):
        value = files.read_safetensors(path.format(**places))[1].get(key, "")
        return None if wanted in value else f"{key} of {path} is {value!r}"
    return holds


def finite(path):
    return lambda places, _: None if all(map(math.isfinite, files.read_npy(path.format(**places))[1])) else f"{path} is not finite"


# ---- commands ------------------------------------------------------------------------------------------
def train(images, *more, recipe="baseline"):
    return ["train", recipe, "--images", f"{{work}}/{images}", "--output", "{out}", *QUICK, *more]


def supcon(images, labels, *more):
    return train(images, "--labels", f"{{work}}/{labels}", *more, recipe="supcon")


def embed(images, *more, model="grey"):
    return ["embed", "--model", f"{{{model}}}", "--images", f"{{work}}/{images}", "--output", "{out}.npy", "--quiet", *more]


def embed_to(images, output, *more, model="grey"):
    return ["embed", "--model", f"{{{model}}}", "--images", f"{{work}}/{images}", "--output", output, "--quiet", *more]


def evaluate(images, labels, *more, model="grey"):
    return ["eval", "--model", f"{{{model}}}", "--images", f"{{work}}/{images}", "--labels", f"{{work}}/{labels}", *more]


MODELS = {
    "grey": ["train", "supcon", "--images", "{work}/x.npy", "--labels", "{work}/y.npy", "--output", "{out}", *NET, "--epochs", "2", "--quiet"],
    "colour": ["train", "baseline", "--images", "{work}/nhwc.npy", "--output", "{out}", *NET, "--epochs", "1", "--quiet"],
    "held": ["train", "supcon", "--images", "{work}/sorted.npy", "--labels", "{work}/y-sorted.npy", "--output", "{out}", *NET, "--epochs", "1", "--quiet",
             "--holdout", "46"],
}
MODEL = "{out}/model.safetensors"


def change_model(places):
    """Our model, read, changed and saved with its metadata, as Python programs do."""
    tensors, extra = files.read_safetensors(places["grey"])
    name = sorted(tensors)[0]
    kind, sides, data = tensors[name]
    tensors[name] = (kind, sides, bytes(4) + data[4:])
    files.write(f"{places['out']}.safetensors", files.safetensors_bytes(tensors, extra))


def flip_bit(places):
    with open(places["grey"], "rb") as file:
        raw = bytearray(file.read())
    raw[-9] ^= 4
    files.write(f"{places['out']}.safetensors", bytes(raw))


def add_float8(places):
    files.write(f"{places['out']}.safetensors", files.safetensors_bytes({"w": ("F8_E4M3", [2, 3], bytes(6)), "b": ("F32", [1], bytes(4))}, {"format": "pt"}))


def copy_old_run(places):
    for path in glob.glob(f"{places['old']}/run/*"):
        with open(path, "rb") as file:
            files.write(f"{places['out']}/{os.path.basename(path)}", file.read())


def iris_at(scale):
    def prepare(places):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "iris.txt"), encoding="utf-8") as file:
            rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
        values = [float(v) * scale for row in rows for v in row[:4]]
        files.write(f"{places['out']}-x.npy", files.npy_bytes((len(rows), 4), "<f4", values))
        files.write(f"{places['out']}-y.txt", "".join(f"{row[4]}\n" for row in rows))
    return prepare


def note_of(note, age):
    """Of each device that 849e892's notes name."""
    def prepare(places):
        with open(f"{places['old']}/probe.notes", encoding="utf-8") as file:
            keys = [line.split()[0] for line in file]
        files.write(f"{places['out']}/probe.notes", "".join(f"{key} {note} @{int(time.time()) - age}\n" for key in keys))
    return prepare


def recipe_of(text):
    return lambda places: files.write(f"{places['out']}.txt", text)


def finite_weights(path):
    def holds(places, _):
        tensors = files.read_safetensors(path.format(**places))[0]
        values = [v for kind, _, data in tensors.values() if kind == "F32" for v in struct.unpack(f"<{len(data) // 4}f", data)]
        return None if values and all(map(math.isfinite, values)) else f"{path} holds no numbers, or not all are finite"
    return holds


def iris_as(name):
    """Another container, of numbers so small or large that float32 only just holds them."""
    def prepare(places):
        iris_at(1e-30)(places)
        shape_, values = files.read_npy(f"{places['out']}-x.npy")
        at = f"{places['out']}-x.{name.split(':')[0]}"
        if name.startswith("npz"):
            with zipfile.ZipFile(at, "w", zipfile.ZIP_DEFLATED) as file:
                file.writestr("x.npy", files.npy_bytes(shape_, ">f8", values, "C"))
        elif name == "idx":
            files.write(at, struct.pack(">HBBII", 0, 14, 2, *shape_) + struct.pack(f">{len(values)}d", *values))
        elif name.startswith("safetensors"):
            files.write(at, files.safetensors_bytes({"x": ("F32", list(shape_), struct.pack(f"<{len(values)}f", *values))}))
        else:
            files.write(at, files.npy_bytes(shape_, "<f4", files.fortran(shape_, list(values)), "F"))
    return prepare


def nearest_of_iris(path, metric):
    """The four best rows by exact sums; of equal ones the lower index."""
    def holds(places, _):
        (count, width), x = files.read_npy(places["out"] + "-x.npy")
        rows = [[fractions.Fraction(v) for v in x[i * width:(i + 1) * width]] for i in range(count)]
        found = files.read_npy(path.format(**places))[1]
        for i in range(0, count, 17):
            dots = [sum(a * b for a, b in zip(rows[i], r)) for r in rows]
            if metric == "cosine":  # squared, for signs are all above 0
                worth = [d * d / sum(v * v for v in r) for d, r in zip(dots, rows)]
            else:
                worth = dots if metric == "dot" else [-sum((a - b)**2 for a, b in zip(rows[i], r)) for r in rows]
            best = sorted(range(count), key=lambda j: -worth[j])[:4]
            got = [worth[j] for j in found[4 * i:4 * i + 4]]
            if any(abs(float((a - worth[b]) / (abs(worth[b]) or 1))) > 1e-5 for a, b in zip(got, best)):
                return f"row {i}: {found[4 * i:4 * i + 4]}, wanted {best}"
        return None
    return holds


REFUSED = {"status": 1, "absent": ("{out}.npy", "{out}/config.txt")}
OLD_NET = ["--encoder", "conv2d:4,k=3,s=2,p=1 batch_norm relu global_pool flatten", "--head", "linear:8", "--batch", "16", "--epochs", "4",
           "--checkpoint_every", "4", "--keep", "50", "--quiet"]

ROWS = [
    # Images of another layout than the model's: shapes are compared, and not only counts.
    Row("5 shapes", "eval of 14 × 56", evaluate("wide.npy", "y.npy", "--holdout", "40"), status=1, says=("14 × 56", "28 × 28")),
    Row("5 shapes", "eval, the test part is 14 × 56", evaluate("x.npy", "y.npy", "--test-images", "{work}/wide.npy", "--test-labels", "{work}/y.npy"), status=1,
        says=("14 × 56", "28 × 28")),
    Row("5 shapes", "embed of an idx of 14 × 56", embed("wide.idx.gz"), says=("14 × 56", "28 × 28"), **REFUSED),
    Row("5 shapes", "embed of a member of 14 × 56", embed("all.npz:wide"), says=("14 × 56", "28 × 28"), **REFUSED),
    Row("5 shapes", "embed of a safetensors tensor of 14 × 56", embed("all.safetensors:wide"), says=("14 × 56", "28 × 28"), **REFUSED),
    Row("5 shapes", "a grey model and colour", embed("nchw.npy"), says=("3 × 28 × 28", "1 × 28 × 28"), **REFUSED),
    Row("5 shapes", "a folder of 2 × 2", embed("small", "--size", "2", model="grey"), **REFUSED),

    # Channels last.
    Row("6 layout", "rows, columns, channels", [w for w in train("nhwc.npy") if w != "--quiet"], says=("rows, columns, channels", "28 × 28 with 3 channels"),
        holds=(metadata(MODEL, "chiaro.input", "3 28 28"), metadata(MODEL, "chiaro.pixels", "layout=nhwc"))),
    Row("6 layout", "the same weights channels first", train("nchw.npy"), before=[["train", "baseline", "--images", "{work}/nhwc.npy", "--output", "{out}-last", *QUICK]],
        holds=(weights(MODEL, "{out}-last/model.safetensors"),)),
    Row("6 layout", "a member of an archive", embed("all.npz:nhwc", model="colour"), before=[embed_to("nhwc.npy", "{out}-a.npy", model="colour")],
        holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("6 layout", "floats, the same pixels", embed("nhwc-float.npy", model="colour"), before=[embed_to("nhwc.npy", "{out}-a.npy", model="colour")],
        holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("6 layout", "against the model's", embed("nchw.npy", "--layout", "nchw", model="colour"), says=("nhwc", "contradicts"), **REFUSED),
    Row("6 layout", "both readings", train("both.npy"), says=("--layout nchw", "--layout nhwc"), **REFUSED),
    Row("6 layout", "neither reading", train("neither.npy"), says=("8 channels", "--layout nchw"), **REFUSED),
    Row("6 layout", "one colour picture, or many of width 3", train("one-colour.npy"), says=("32 images", "1 image of 32 × 32 with 3 channels"), **REFUSED),
    Row("6 layout", "a model's own and the other order", embed("nchw.npy", model="colour"), says=("nhwc", "transpose(0, 2, 3, 1)"), **REFUSED),
    Row("6 layout", "one channel lies the same in either order", embed("first.npy"), before=[embed_to("last.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("6 layout", "one channel, trained in the other order", ["embed", "--model", MODEL, "--images", "{work}/first.npy", "--output", "{out}.npy", "--quiet"], before=[train("last.npy"),
        ["embed", "--model", MODEL, "--images", "{work}/x.npy", "--output", "{out}-a.npy", "--quiet"]], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("6 layout", "--layout against the sides", train("nhwc.npy", "--layout", "nchw"), says=("contradicts", "28 × 28 with 3 channels", "28 × 3 with 28"), **REFUSED),
    Row("6 layout", "--layout against the sides, the other way", train("nchw.npy", "--layout", "nhwc"), says=("contradicts", "28 × 28 with 3 channels"), **REFUSED),
    Row("6 layout", "--layout where there are no channels", train("x.npy", "--layout", "nhwc"), says=("contradicts", "400 images"), **REFUSED),
    Row("6 layout", "--layout as the sides have it", train("nhwc.npy", "--layout", "nhwc"), holds=(metadata(MODEL, "chiaro.pixels", "layout=nhwc"),)),
    Row("6 layout", "no such word", train("nhwc.npy", "--layout", "hwc"), status=2, says=("hwc", "nchw"), absent=("{out}",)),
    Row("6 layout", "Fortran order", embed("fortran.npy"), before=[embed_to("x.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("6 layout", "idx where npy stands", embed("x.idx"), before=[embed_to("x.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("6 layout", "a tensor of safetensors", embed("all.safetensors:x"), before=[embed_to("x.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("6 layout", "an archive without a name", embed("all.npz"), says=("nhwc", "wide"), **REFUSED),

    # A batch is what fits.
    Row("9 batches", "less memory than 500 images take", embed("x.npy", "--memory", "2M"), before=[embed_to("x.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("9 batches", "asked for", embed("x.npy", "--batch", "7"), before=[embed_to("x.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("9 batches", "eval in less memory", evaluate("x.npy", "y.npy", "--holdout", "40", "--memory", "6M", "--json"), holds=(number("raw_knn", 0.9, 1.0),)),
    Row("9 batches", "no memory at all", embed("x.npy", "--memory", "1000"), **REFUSED),
    Row("9 batches", "0 images at once", embed("x.npy", "--batch", "0"), status=2, says=("--batch 0",), absent=("{out}.npy",)),

    # Labels are names.
    Row("10 ids", "times 500", supcon("x.npy", "y-500.npy"), holds=(weights(MODEL, "{out}-a/model.safetensors"), metadata(MODEL, "chiaro.labels", "4500")),
        before=[["train", "supcon", "--images", "{work}/x.npy", "--labels", "{work}/y.npy", "--output", "{out}-a", *QUICK]]),
    Row("10 ids", "unsigned, plus 7,000,000", supcon("x.npy", "y-u8.npy"), holds=(metadata(MODEL, "chiaro.labels", "7000009"),)),
    Row("10 ids", "huge, negative", evaluate("x.npy", "y-huge.npy", "--holdout", "40", "--json"), holds=(number("raw_knn", 0.9, 1.0), number("linear", 0.2, 1.0))),
    Row("10 ids", "words with line ends of another system", supcon("x.npy", "y.txt"), holds=(metadata(MODEL, "chiaro.labels", "Klasse 9\n"),)),
    Row("10 ids", "words that are not UTF-8", supcon("x.npy", "y-latin.txt"), holds=(metadata(MODEL, "chiaro.labels", "caf\\xe9 9"),)),
    Row("10 ids", "strings of numpy", evaluate("x.npy", "y-strings.npy", "--holdout", "40", "--json"), holds=(number("raw_knn", 0.9, 1.0),)),
    Row("10 ids", "floats that are whole", supcon("x.npy", "y-float.npy"), holds=(metadata(MODEL, "chiaro.labels", "0\n1\n"),)),
    Row("10 ids", "idx", supcon("x.npy", "y.idx"), holds=(metadata(MODEL, "chiaro.labels", "0\n1\n"),)),
    Row("10 ids", "a tensor of safetensors", supcon("x.npy", "all.safetensors:y"), holds=(metadata(MODEL, "chiaro.labels", "0\n1\n"),)),
    Row("10 ids", "-1 is no class", [w for w in supcon("x.npy", "y-gap.npy") if w != "--quiet"], says=("no class",), holds=(metadata(MODEL, "chiaro.classes", "10"),)),
    Row("10 ids", "another number is none", supcon("x.npy", "y-nine.npy", "--unlabelled", "9999"), holds=(metadata(MODEL, "chiaro.classes", "10"), weights(MODEL, "{out}-a/model.safetensors")),
        before=[["train", "supcon", "--images", "{work}/x.npy", "--labels", "{work}/y-gap.npy", "--output", "{out}-a", *QUICK]]),
    Row("10 ids", "-1 is left out of eval", evaluate("x.npy", "y-gap.npy", "--holdout", "40", "--json"), says=("100",), holds=(number("n_train", 260, 260), number("n_test", 40, 40))),
    Row("10 ids", "as many classes as images", evaluate("x.npy", "y-many.npy", "--test-images", "{work}/x.npy", "--test-labels", "{work}/y-many.npy", "--json"), holds=(number("knn", 0.0, 1.0),)),
    Row("10 ids", "2^63 is beyond them", supcon("x.npy", "y-2-63.npy"), says=("9223372036854775808",), **REFUSED),
    Row("10 ids", "a half is none", supcon("x.npy", "y-half.npy"), says=("0.5",), **REFUSED),
    Row("10 ids", "an empty line", supcon("x.npy", "y-empty.txt"), says=("line 8",), **REFUSED),

    Row("11 label shapes", "a column", supcon("x.npy", "y-column.npy"), holds=(metadata(MODEL, "chiaro.classes", "10"),)),
    Row("11 label shapes", "a column in eval", evaluate("x.npy", "y-column.npy", "--holdout", "40", "--json"), holds=(number("raw_knn", 0.9, 1.0),)),
    Row("11 label shapes", "a matrix", supcon("x.npy", "y-matrix.npy"), says=("200", "2"), **REFUSED),
    Row("11 label shapes", "too few", supcon("x.npy", "y-two.npy"), says=("398", "400"), **REFUSED),
    Row("11 label shapes", "too many", ["eval", "--model", "{grey}", "--images", "{work}/one.npy", "--labels", "{work}/y.npy", "--holdout", "1"], status=1, says=("400", "1 image")),

    # Sorted labels.
    Row("12 holdout", "sorted by class", evaluate("sorted.npy", "y-sorted.npy", model="held", *["--json"]), holds=(number("n_test", 46, 46), number("raw_knn", 0.9, 1.0))),
    Row("12 holdout", "the same number given", evaluate("sorted.npy", "y-sorted.npy", "--holdout", "46", "--json", model="held"), holds=(number("n_test", 46, 46), number("raw_knn", 0.9, 1.0)),
        unsaid=("trained on",)),
    Row("12 holdout", "another number is said", evaluate("sorted.npy", "y-sorted.npy", "--holdout", "50", model="held"), says=("trained on",)),
    Row("12 holdout", "other images than the model's: a fifth, and said", evaluate("x.npy", "y.npy", model="held"), says=("80", "which of them it has seen is not known")),
    Row("12 holdout", "larger than the data", supcon("x.npy", "y.npy", "--holdout", "400"), says=("400",), **REFUSED),
    Row("12 holdout", "rows by name", supcon("x.npy", "y.npy", "--holdout-file", "{work}/rows.txt"), holds=(metadata(MODEL, "chiaro.holdout", "0-39"),)),
    Row("12 holdout", "in percent", supcon("x.npy", "y.npy", "--holdout", "10%"), holds=(metadata(MODEL, "chiaro.holdout", " "),)),
    Row("12 holdout", "the test images are the training images", evaluate("x.npy", "y.npy", "--test-images", "{work}/x.npy", "--test-labels", "{work}/y.npy"), says=("trained on",)),

    # A folder that cannot be written.
    Row("13 home", "HOME is a file", ["devices"], environment={"HOME": "{work}/not-a-folder", "XDG_CACHE_HOME": "", "POCL_CACHE_DIR": "", "CHIARO_CACHE_DIR": ""}, status=3,
        says=("POCL_CACHE_DIR",), unsaid=("install a driver",)),
    Row("13 home", "HOME is a file, a command that computes", embed("x.npy"), environment={"HOME": "{work}/not-a-folder", "XDG_CACHE_HOME": "", "POCL_CACHE_DIR": "", "CHIARO_CACHE_DIR": ""}, status=3,
        says=("POCL_CACHE_DIR",), absent=("{out}.npy",)),
    Row("13 home", "the variable that it names is enough", embed("x.npy"), environment={"HOME": "{work}/not-a-folder", "XDG_CACHE_HOME": "", "POCL_CACHE_DIR": "{out}-pocl"}, holds=(finite("{out}.npy"),)),
    Row("13 home", "drivers that cannot be loaded", ["devices"], prepare=lambda p: files.write(f"{p['out']}/a.icd", "libof-nowhere.so\n"), environment={"OCL_ICD_VENDORS": "{out}"}, status=3,
        says=("a.icd", "could be loaded"), unsaid=("install one",)),
    Row("13 home", "no driver at all", ["devices"], prepare=lambda p: os.makedirs(p["out"]), environment={"OCL_ICD_VENDORS": "{out}"}, status=3, says=("pocl-opencl-icd",)),
    Row("13 home", "doctor says it too", ["doctor"], environment={"HOME": "{work}/not-a-folder", "XDG_CACHE_HOME": "", "POCL_CACHE_DIR": "", "CHIARO_CACHE_DIR": ""}, status=3, says=("POCL_CACHE_DIR",)),

    # The same values as another type.
    Row("14 types", "Booleans are black and white", embed("bits-bool.npy"), before=[embed_to("bits-white.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("14 types", "0 and 1 as floats are the same", train("bits-float.npy"), before=[["train", "baseline", "--images", "{work}/bits-bool.npy", "--output", "{out}-a", *QUICK, "--crop", "0"]],
        holds=(metadata(MODEL, "chiaro.pixels", "values=unit"),)),
    Row("14 types", "bytes of 0 and 1 are said", [w for w in train("bits-u1.npy") if w != "--quiet"], says=("no byte is over 1", "--range 0,1")),
    Row("14 types", "--range 0,1 makes them white", embed("bits-u1.npy", "--range", "0,1"), status=1, says=("contradicts",), absent=("{out}.npy",)),
    Row("14 types", "trained with --range 0,1", train("bits-u1.npy", "--range", "0,1"), holds=(metadata(MODEL, "chiaro.pixels", "values=range:0,1"),)),
    Row("14b pixels", "int64", embed("int64.npy"), before=[embed_to("x.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("14b pixels", "floats to 255", embed("whole-float.npy"), before=[embed_to("x.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("14b pixels", "float64 of the other byte order", embed("big-endian.npy"), before=[embed_to("x.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("14b pixels", "floats to 1 stay floats", embed("unit.npy"), before=[embed_to("x.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("14b pixels", "big-endian 16-bit of idx", embed("short.idx"), before=[embed_to("x.npy", "{out}-a.npy")], holds=(same("{out}.npy", "{out}-a.npy"),)),
    Row("14b pixels", "half floats to 1", evaluate("half.npy", "y.npy", "--holdout", "40", "--json"), holds=(number("raw_knn", 0.9, 1.0),)),
    Row("14b pixels", "int64 of an archive, in eval", evaluate("numbers.npz:int64", "y.npy", "--holdout", "40", "--json"), before=[], holds=(number("raw_knn", 0.9, 1.0),)),
    Row("14b pixels", "numbers below 0", evaluate("below.npy", "y.npy", "--holdout", "40"), status=1, says=("-5 to 215", "--range")),
    Row("14b pixels", "16 bits without a word", train("sixteen.npy"), says=("--range",), **REFUSED),
    Row("14b pixels", "16 bits", train("sixteen.npy", "--range", "0,65535", "--crop", "0"), before=[["train", "baseline", "--images", "{work}/x.npy", "--output", "{out}-a", *QUICK, "--crop", "0"]],
        holds=(metadata(MODEL, "chiaro.pixels", "values=range:0,65535"), weights(MODEL, "{out}-a/model.safetensors"))),
    Row("14b pixels", "standardised", train("standardised.npy", "--range", "-0.5,2"), holds=(metadata(MODEL, "chiaro.pixels", "values=range:-0.5,2"),)),
    Row("14b pixels", "numbers beyond a range are said", [w for w in train("standardised.npy", "--range", "0,1") if w != "--quiet"], says=("lie outside of 0 to 1",)),
    Row("14b pixels", "a range that is none", train("sixteen.npy", "--range", "9,3"), status=2, says=("9,3",), absent=("{out}",)),
    Row("14b pixels", "NaN", embed("nan.npy"), says=("element 17",), **REFUSED),
    Row("14b pixels", "infinity", train("infinite.npy"), says=("element 20",), **REFUSED),

    # Tiny data.
    Row("15 tiny", "all steps in the warm-up", ["train", "simclr", "--images", "{work}/tiny.npy", "--output", "{out}", "--dry-run", "--epochs", "5"], says=("warm-up",)),
    Row("15 tiny", "fewer images than a batch", ["train", "baseline", "--images", "{work}/x.npy", "--output", "{out}", *NET[:4], "--epochs", "1"], says=("400", "512")),
    Row("15 tiny", "one image", train("one.npy"), **REFUSED),
    Row("15 tiny", "a batch of 1", ["train", "baseline", "--images", "{work}/x.npy", "--output", "{out}", *NET[:4], "--batch", "1", "--steps", "1"], status=1, says=("batch = 1",)),
    Row("15 tiny", "one class", [w for w in supcon("x.npy", "y-ones.npy") if w != "--quiet"], says=("one class",)),
    Row("15 tiny", "all labels differ", [w for w in supcon("x.npy", "y-many.npy") if w != "--quiet"], says=("400",)),

    # Other programs' files.
    Row("16 changed", "a model that Python saved again", embed_to("x.npy", "{out}.npy")[:2] + ["{out}.safetensors"] + embed("x.npy")[3:], prepare=change_model, says=("another program", "--changed"), **REFUSED),
    Row("16 changed", "loaded all the same", ["embed", "--model", "{out}.safetensors", "--images", "{work}/x.npy", "--output", "{out}.npy", "--quiet", "--changed"], prepare=change_model,
        before=[embed_to("x.npy", "{out}-a.npy")], holds=(finite("{out}.npy"), shape("{out}.npy", 400, 16))),
    Row("16 changed", "in eval", ["eval", "--model", "{out}.safetensors", "--images", "{work}/x.npy", "--labels", "{work}/y.npy", "--holdout", "40"], prepare=change_model, status=1, says=("another program",)),
    Row("16 changed", "a flipped bit is damage", ["embed", "--model", "{out}.safetensors", "--images", "{work}/x.npy", "--output", "{out}.npy", "--changed"], prepare=flip_bit, says=("damaged",), **REFUSED),
    Row("16 changed", "float8", ["info", "{out}.safetensors"], prepare=add_float8, says=("F8_E4M3", "2 x 3", "format", "pt")),

    # Names in a folder.
    Row("17 names", "no labels, none needed", ["train", "baseline", "--data", "{work}/half", "--output", "{out}", *QUICK], holds=(metadata(MODEL, "chiaro.classes", "0"),)),
    Row("17 names", "no labels, but needed", ["train", "supcon", "--data", "{work}/half", "--output", "{out}", *QUICK], says=("train-labels-idx1-ubyte",), **REFUSED),
    Row("17 names", "images gzipped, labels plain", ["train", "supcon", "--data", "{work}/mixed", "--output", "{out}", *QUICK], holds=(metadata(MODEL, "chiaro.classes", "10"),)),
    Row("17 names", "no test part: a fifth, and said", ["eval", "--model", "{grey}", "--data", "{work}/mixed"], says=("80",)),
    Row("17 names", "images plain, labels gzipped", ["train", "supcon", "--data", "{work}/mixed2", "--output", "{out}", *QUICK], holds=(metadata(MODEL, "chiaro.classes", "10"),)),
    Row("17 names", "images with dots, as some unpack them", ["eval", "--model", "{grey}", "--data", "{work}/dots", "--holdout", "40", "--json"], holds=(number("raw_knn", 0.9, 1.0),)),
    Row("17 names", "a file where a folder is wanted", ["train", "baseline", "--data", "{work}/not-a-folder", "--output", "{out}", *QUICK], says=("not-a-folder is no folder", "--images"), **REFUSED),
    Row("17 names", "not there", ["train", "baseline", "--data", "{work}/absent", "--output", "{out}", *QUICK], says=("absent",), **REFUSED),

    # Folders of pictures.
    Row("pictures", "folders are classes", ["train", "supcon", "--data", "{work}/pictures", "--grey", "--size", "28", "--output", "{out}", *QUICK, "--batch", "16"],
        holds=(metadata(MODEL, "chiaro.input", "1 28 28"), metadata(MODEL, "chiaro.labels", "k1\n"))),
    Row("pictures", "pixels as in the array", embed("flat", "--grey"), status=0, holds=(shape("{out}.npy", 60, 16), first_rows("{out}.npy", "{out}-a.npy")),
        before=[embed_to("x.npy", "{out}-a.npy")]),
    Row("pictures", "against the model's channels", embed("flat", "--grey", model="colour"), says=("3 channels",), **REFUSED),
    Row("pictures", "an empty folder", ["train", "pictures", "--data", "{work}/nothing", "--output", "{out}"], says=("nothing",), **REFUSED),
    Row("pictures", "one picture", ["train", "pictures", "--data", "{work}/single", "--output", "{out}"], **REFUSED),
    Row("pictures", "a class folder with none is said", ["train", "pictures", "--data", "{work}/hollow", "--output", "{out}", *NET[:4], "--epochs", "1"], says=("without a picture",)),
    Row("pictures", "links that loop are said", ["train", "pictures", "--data", "{work}/loop", "--output", "{out}", *NET[:4], "--epochs", "1"], says=("loop",)),
    Row("pictures", "a text called .png", ["train", "pictures", "--data", "{work}/text", "--output", "{out}"], says=("1.png",), **REFUSED),
    Row("pictures", "left out if asked", [w for w in embed("text", "--skip-broken") if w != "--quiet"], says=("1 broken", "1.png"), holds=(shape("{out}.npy", 1, 16),)),
    Row("pictures", "60,000 × 60,000", ["train", "pictures", "--data", "{work}/huge", "--output", "{out}"], says=("60000", "1.png"), **REFUSED),
    Row("pictures", "mixed sizes", ["train", "baseline", "--data", "{work}/sizes", "--output", "{out}", *QUICK], says=("28", "14", "56"), **REFUSED),
    Row("pictures", "smaller than a window", ["train", "simclr", "--data", "{work}/small", "--output", "{out}", "--quiet"], says=("2 × 2",), **REFUSED),
    Row("pictures", "hidden folders are said", ["train", "baseline", "--data", "{work}/hidden", "--output", "{out}", *NET, "--epochs", "1", "--batch", "2"], says=("hidden", ".cache", "1 file is neither PNG nor JPEG")),
    Row("pictures", "neither a range", embed("flat", "--range", "0,9"), status=1, absent=("{out}.npy",)),

    # Words of a command line.
    Row("words", "-h is --help", ["train", "-h"], says=("usage: chiaro train",)),
    Row("words", "letters that are none", ["embed", "-xyz"], status=2, says=("-x is no option of chiaro embed",)),
    Row("words", "a recipe with a byte-order mark", ["train", "--recipe", "{out}.txt", "--images", "{work}/x.npy", "--output", "{out}", "--steps", "1", "--quiet"],
        prepare=recipe_of("\ufeffloss = ntxent\r\nencoder = flatten linear:4\r\nbatch = 8\r\n"), holds=(finite_weights(MODEL),)),
    Row("words", "a recipe that says a thing twice", ["train", "--recipe", "{out}.txt", "--images", "{work}/x.npy", "--output", "{out}"],
        prepare=recipe_of("batch = 8\nencoder = flatten linear:4\nbatch = 9\n"), status=2, says=(".txt:3", "batch is set by line 1"), absent=("{out}",)),
    Row("words", "a number beyond its range", train("x.npy", "--batch", "0"), status=2, says=("from 1 to 16777216",), absent=("{out}",)),
    Row("words", "more threads than are taken", ["search", "--base", "{work}/x.npy", "--query", "{work}/x.npy", "--output", "{out}", "--threads", "65537"], status=2, says=("1 to 65536",), absent=("{out}",)),
    Row("words", "a folder where a text is wanted", train("x.npy", "--holdout-file", "{work}/nothing"), says=("nothing: cannot read",), **REFUSED),
    Row("words", "a plan that nothing is left for", ["plan", "clip:8x8x8", "--memory", "1"], status=1, says=("0 bytes are left, 0 bytes in one piece",)),
    Row("words", "few bytes are said once", ["info", "{old}/model.safetensors"], unsaid=("bytes (",)),

    # Selectors.
    Row("21 selectors", "an exclusion alone", ["bench", "clip:8x8x8", "--device", "!cpu"], status=3, says=("!cpu",), unsaid=("\"auto\"",)),
    Row("21 selectors", "a number alone", ["embed", "--model", "{grey}", "--images", "{work}/x.npy", "--output", "{out}.npy", "--device", "0"], says=("#0",), **REFUSED),
    Row("21 selectors", "empty parts", ["bench", "clip:8x8x8", "--device", "name:nothing,,cpu,", "--json"], holds=(number("reps", 1, 99),)),
    Row("21 selectors", "in the environment", ["bench", "clip:8x8x8"], environment={"CHIARO_DEVICE": "!cpu"}, status=3, says=("!cpu",)),

    # Scales.
    *[Row("22 scales", f"iris times {scale:g}", ["eval", "--features", "{out}-x.npy", "--labels", "{out}-y.txt", "--holdout", "50", "--seed", "3", "--json"], prepare=iris_at(scale),
          holds=(number("linear", 0.92, 1.0),)) for scale in (1e-9, 1e-3, 1.0, 1e3, 1e9)],
    *[Row("22 scales", f"{name} of iris", ["eval", "--features", "{out}-x." + name, "--labels", "{out}-y.txt", "--holdout", "50", "--seed", "3", "--metric", "euclidean", "--k", "1,5", "--json"],
          prepare=iris_as(name), holds=(number("linear", 0.92, 1.0), number("k.1.knn", 0.92, 1.0))) for name in ("npy", "npz:x", "idx", "safetensors:x")],
    *[Row("22 scales", f"search of iris times {scale:g}, {metric}", ["search", "--base", "{out}-x.npy", "--query", "{out}-x.npy", "--output", "{out}-b", "--metric", metric, "--k", "4", "--quiet"],
          prepare=iris_at(scale), holds=(nearest_of_iris("{out}-b/indices.npy", metric),)) for scale, metric in ((2.0**-40, "cosine"), (2.0**30, "euclidean"), (2.0**-60, "euclidean"), (2.0**-30, "dot"))],

    # Going on.
    Row("23 going on", "a number spelled otherwise", train("x.npy", "--rate", "0.0020", "--resume"), before=[train("x.npy", "--rate", "0.002")], holds=(metadata(MODEL, "chiaro.step", "6"),)),
    Row("23 going on", "spelled as a power", train("x.npy", "--rate", "2e-3", "--resume"), before=[train("x.npy", "--rate", "0.002")], holds=(metadata(MODEL, "chiaro.step", "6"),)),
    Row("23 going on", "another number", train("x.npy", "--rate", "0.003", "--resume"), before=[train("x.npy", "--rate", "0.002")], status=1, says=("rate",)),
    Row("23 going on", "a longer run", [w for w in train("x.npy", "--schedule", "cosine", "--epochs", "2", "--resume") if w != "--quiet"], before=[train("x.npy", "--schedule", "cosine")], says=("stretched",), holds=(metadata(MODEL, "chiaro.step", "12"),)),
    Row("23 going on", "other data", train("bits-white.npy", "--resume"), before=[train("x.npy")], status=1, says=("data",)),

    # Notes.
    Row("24 notes", "an old time-out is forgotten", ["devices"], prepare=lambda p: files.write(f"{p['out']}/probe.notes", open(f"{p['old']}/probe.notes", "rb").read()),
        environment={"CHIARO_CACHE_DIR": "{out}"}, unsaid=("did not answer",)),

    Row("24 notes", "as is a note of its time, where it is two days old", ["doctor", "--quiet"], prepare=note_of("-1 it did not answer within 10 s", 172800), environment={"CHIARO_CACHE_DIR": "{out}"},
        unsaid=("did not answer",)),
    Row("24 notes", "and one of the future, by a clock set back", ["devices", "--json"], prepare=note_of("-1 it did not answer within 10 s", -172800), environment={"CHIARO_CACHE_DIR": "{out}"},
        unsaid=("did not answer",)),
    Row("24 notes", "cache clear forgets them", ["cache", "clear"], prepare=note_of("-1 it did not answer within 10 s", 60), environment={"CHIARO_CACHE_DIR": "{out}"}, absent=("{out}/probe.notes",)),
    Row("24 notes", "notes that are none", ["bench", "clip:8x8x8", "--json"], prepare=lambda p: [files.write(f"{p['out']}/{name}", b"\xff\0@@ 9\n\n @\n" * 9) for name in ("core.notes", "probe.notes")],
        environment={"CHIARO_CACHE_DIR": "{out}"}, holds=(number("reps", 1, 99),)),

    # Files of 849e892.
    Row("849e892", "a model: the same features", ["embed", "--model", "{old}/model.safetensors", "--images", "{old}/x.npy", "--output", "{out}.npy", "--quiet"], holds=(same("{out}.npy", "{old}/features.npy"),)),
    Row("849e892", "a model: info", ["info", "{old}/model.safetensors"], says=("conv2d:4", "supcon")),
    Row("849e892", "a model: eval", ["eval", "--model", "{old}/model.safetensors", "--images", "{old}/x.npy", "--labels", "{old}/y.npy", "--test-images", "{old}/x.npy", "--test-labels", "{old}/y.npy", "--json"],
        holds=(number("knn", 0.34375, 0.34375), number("untrained_knn", 0.34375, 0.34375), number("raw_knn", 1, 1))),
    Row("849e892", "a run that was stopped: the same weights", ["train", "supcon", "--images", "{old}/x.npy", "--labels", "{old}/y.npy", "--output", "{out}", *OLD_NET, "--resume"], prepare=copy_old_run,
        holds=(weights(MODEL, "{old}/model.safetensors"),)),
    Row("849e892", "figures", ["bench", "--compare", "{old}/bench.jsonl", "--with", "{old}/bench.jsonl"], says=("clip:64x64x16",)),
    Row("849e892", "records", ["tune", "--list"], environment={"CHIARO_TUNE_DIR": "{old}/tune"}, says=("core",)),
    Row("849e892", "the note on cores", ["bench", "clip:8x8x8", "--json"], prepare=lambda p: files.write(f"{p['out']}/core.notes", open(f"{p['old']}/core.notes", "rb").read()),
        environment={"CHIARO_CACHE_DIR": "{out}"}, holds=(number("reps", 1, 99),)),
]
