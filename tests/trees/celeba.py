"""CelebA: lists whose columns are divided by runs of spaces, boxes of pictures that are not shipped."""

from __future__ import annotations

from pathlib import Path

from fixtures_trees import OwnerTree, draw

ATTRIBUTES = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair Blurry "
    "Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male "
    "Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns "
    "Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young"
)
LANDMARKS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"


def attribute_list(names: list[str]) -> str:
    """The count, the forty names, and rows: every second picture is male, every third is not young; all smile."""
    rows = [str(len(names)), ATTRIBUTES + " "]
    for index, name in enumerate(names):
        said = {"Male": index % 2 == 0, "Young": index % 3 != 0, "Smiling": True}
        rows.append(name + " " + "".join(f"{1 if said.get(column) else -1:>3}" for column in ATTRIBUTES.split()))
    return "\n".join(rows) + "\n"


def celeba_tree(root: Path, images: int = 9, nested: bool = False) -> Path:
    """Six pictures in ten are train, two val, two test; pictures 1 and 2 show one person. ``nested``: Img/, Anno/ and Eval/."""
    names = [f"{number:06d}.jpg" for number in range(1, images + 1)]
    img, anno, part = (root / folder if nested else root for folder in ("Img", "Anno", "Eval"))
    for number, name in enumerate(names):
        draw(img / "img_align_celeba" / name, 4000 + number, 178, 218)
    anno.mkdir(parents=True, exist_ok=True)
    part.mkdir(parents=True, exist_ok=True)
    (anno / "list_attr_celeba.txt").write_text(attribute_list(names))
    (anno / "identity_CelebA.txt").write_text("".join(f"{name} {2880 + max(1, n)}\n" for n, name in enumerate(names)))
    boxes = "".join(f"{name}    95  71   226  313\n" for name in names)
    (anno / "list_bbox_celeba.txt").write_text(f"{images}\nimage_id x_1 y_1 width height\n{boxes}")
    points = "".join(f"{name}  {69 + n}  109  106  113   77  142   73  152  108  154\n" for n, name in enumerate(names))
    (anno / "list_landmarks_align_celeba.txt").write_text(f"{images}\n{LANDMARKS} \n{points}")
    codes = (0 if 10 * n < 6 * images else 1 if 10 * n < 8 * images else 2 for n in range(images))
    (part / "list_eval_partition.txt").write_text("".join(f"{name} {code}\n" for name, code in zip(names, codes, strict=True)))
    return root


TREE = OwnerTree(
    "celeba",
    celeba_tree,
    picture="img_align_celeba/000001.jpg",
    lists=("list_eval_partition.txt", "list_attr_celeba.txt"),
    inner="img_align_celeba",
)
