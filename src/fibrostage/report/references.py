# ruff: noqa: E501 - titles stand whole
"""What the methods paragraph cites, as BibTeX."""

from __future__ import annotations

REFERENCES = {
    "gao2021": """@inproceedings{gao2021,
  author = {Gao, Lufei and others},
  title = {Multi-modal active learning for automatic liver fibrosis diagnosis based on ultrasound shear wave elastography},
  booktitle = {IEEE International Symposium on Biomedical Imaging (ISBI)},
  year = {2021}
}""",
    "wang2019": """@article{wang2019,
  author = {Wang, Kun and others},
  title = {Deep learning Radiomics of shear wave elastography significantly improved diagnostic performance for assessing liver fibrosis in chronic hepatitis {B}: a prospective multicentre study},
  journal = {Gut},
  volume = {68},
  pages = {729--741},
  year = {2019}
}""",
    "loshchilov2019": """@inproceedings{loshchilov2019,
  author = {Loshchilov, Ilya and Hutter, Frank},
  title = {Decoupled weight decay regularization},
  booktitle = {International Conference on Learning Representations},
  year = {2019}
}""",
    "platt1999": """@incollection{platt1999,
  author = {Platt, John C.},
  title = {Probabilistic outputs for support vector machines and comparisons to regularized likelihood methods},
  booktitle = {Advances in Large Margin Classifiers},
  publisher = {MIT Press},
  pages = {61--74},
  year = {1999}
}""",
    "zadrozny2002": """@inproceedings{zadrozny2002,
  author = {Zadrozny, Bianca and Elkan, Charles},
  title = {Transforming classifier scores into accurate multiclass probability estimates},
  booktitle = {Knowledge Discovery and Data Mining},
  pages = {694--699},
  year = {2002}
}""",
    "wilson1927": """@article{wilson1927,
  author = {Wilson, Edwin B.},
  title = {Probable inference, the law of succession, and statistical inference},
  journal = {Journal of the American Statistical Association},
  volume = {22},
  pages = {209--212},
  year = {1927}
}""",
    "delong1988": """@article{delong1988,
  author = {DeLong, Elizabeth R. and DeLong, David M. and Clarke-Pearson, Daniel L.},
  title = {Comparing the areas under two or more correlated receiver operating characteristic curves: a nonparametric approach},
  journal = {Biometrics},
  volume = {44},
  pages = {837--845},
  year = {1988}
}""",
}  # fmt: skip
