"""clearfundus: makes blurry colour fundus photographs clear."""
