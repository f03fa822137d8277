"""What train_recipe.py and train_kaggle.py share: options, data, stopping, and what is written."""
